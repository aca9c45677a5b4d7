"""`python -m signaller`"""

from signaller.cli import main

main()
