"""A provider that runs on this machine: OpenAI's and Azure's realtime surface with real media."""
