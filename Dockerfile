FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
# Every download is checked against the hashes in the lock: uv's by pip, all others by uv.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.lock \
    && pip install --no-cache-dir --require-hashes --requirement uv.lock \
    && uv venv /opt/signaller
COPY pyproject.toml README.md LICENSE ./
COPY signaller signaller
COPY static static
# Compiled here: the file system is read-only later. "azure,demo" adds the loopback provider.
ARG EXTRAS=azure
RUN uv pip install --python /opt/signaller/bin/python --no-cache --compile-bytecode \
    --constraints requirements.lock --build-constraints requirements.lock ".[${EXTRAS}]"

FROM python:3.13-slim-bookworm
COPY --from=build /opt/signaller /opt/signaller
ENV PATH=/opt/signaller/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + (os.environ.get('PORT') or '4000') + '/healthz', timeout=2)"]
ENTRYPOINT ["signaller"]
CMD ["--host", "0.0.0.0"]
