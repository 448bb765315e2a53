# fabnet on a CPU, without torch: what reads, tracks, embeds, searches and serves.
#
#   docker build -t fabnet .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" fabnet read photos/ --out photos.csv
#   docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD:/data" fabnet serve faces.lance --host 0.0.0.0
#
# --build-arg EXTRAS=serve,train adds what trains and probes. pip then takes the index's torch, with its CUDA libraries.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG EXTRAS=serve
RUN python3 -m venv /opt/fabnet
WORKDIR /source
COPY requirements/full.txt ./
COPY pyproject.toml setup.py MANIFEST.in README.md CHANGELOG.md CITATION.cff LICENSE ./
COPY fabnet ./fabnet
RUN /opt/fabnet/bin/pip install --no-cache-dir --constraint full.txt ".[${EXTRAS}]"

FROM ${BASE}
COPY --from=build /opt/fabnet /opt/fabnet
RUN useradd --create-home --uid 1000 fabnet && mkdir /data && chown fabnet /data
# Any user that --user names can write to this home.
ENV PATH=/opt/fabnet/bin:$PATH HOME=/tmp
USER fabnet
WORKDIR /data
EXPOSE 8000
ENTRYPOINT ["fabnet"]
CMD ["--help"]
