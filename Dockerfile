# The same packages as everywhere else: requirements.lock, hashes checked, compiled to bytecode.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements-bootstrap.lock ./
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r requirements-bootstrap.lock
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/gateway \
    && /opt/uv/bin/uv pip sync --no-cache --python /opt/gateway --require-hashes --compile-bytecode requirements.lock
COPY requirements-dev.lock pyproject.toml README.md LICENSE ./
COPY app app
COPY migrations migrations
# hatchling, which builds the wheel, is held to the hashes of the development lock.
RUN /opt/uv/bin/uv build --no-cache --wheel --build-constraints requirements-dev.lock --require-hashes --out-dir /dist . \
    && /opt/uv/bin/uv pip install --no-cache --python /opt/gateway --no-deps --compile-bytecode /dist/*.whl

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gateway \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/gateway /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 \
    GATEWAY_HOST=0.0.0.0 GATEWAY_DATABASE_URL=sqlite:////data/gateway.db
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '8000')}/health/live\", timeout=2)"]
CMD ["llm-gateway", "serve"]
