# Two stages: what builds stays behind, what runs is Debian and one binary.
FROM debian:bookworm-slim AS build
WORKDIR /postoffice
COPY scripts/setup scripts/setup
RUN scripts/setup build
COPY . .
RUN cmake -B build && cmake --build build --target postoffice -j "$(nproc)" \
    && strip -o /usr/local/bin/postoffice build/postoffice

# libraft is the one library that is newer than Debian 12's own: it comes from
# the stage above, the others from their packages.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libuv1 \
        liblmdb0 libh2o0.13 libcurl4 libc-ares2 libjansson4 libssl3 libxxhash0 \
        libuuid1 liblz4-1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /data postoffice \
    && install -d -o postoffice -g postoffice /data
COPY --from=build /usr/lib/*-linux-gnu/libraft.so.* /usr/local/lib/
COPY --from=build /usr/local/bin/postoffice /usr/local/bin/postoffice
RUN ldconfig && postoffice version
USER postoffice
VOLUME /data
EXPOSE 4000
STOPSIGNAL SIGTERM
# A container's loopback is of no use to others: whoever publishes the port
# decides who may reach it, and says so here. Tokens come later.
ENV POSTOFFICE_DATA_DIR=/data \
    POSTOFFICE_LISTEN=0.0.0.0:4000 \
    POSTOFFICE_LOG_FORMAT=json
ENTRYPOINT ["postoffice"]
CMD ["serve", "--insecure-no-auth"]
