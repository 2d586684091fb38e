# docs/places.md says how it is started. Folders of runs are only read; what a tick
# keeps lies in the folders that the config, or --out, names.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/mlreport-batch
COPY requirements.lock ./
RUN /opt/mlreport-batch/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY docs/mlreport-batch.1 docs/
COPY mlreport_batch mlreport_batch
RUN /opt/mlreport-batch/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
COPY --from=build /opt/mlreport-batch /opt/mlreport-batch
ENV PATH=/opt/mlreport-batch/bin:$PATH MLREPORT_CONFIG=/config/config.yaml
RUN useradd --uid 1000 --create-home mlreport
USER 1000
WORKDIR /home/mlreport
# A tick ends by itself; this is for a container that somebody keeps.
HEALTHCHECK --interval=15m --timeout=1m CMD ["mlreport-batch", "status"]
ENTRYPOINT ["mlreport-batch"]
CMD ["run", "-q"]
