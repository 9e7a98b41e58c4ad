# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
WORKDIR /build
# Dependencies first, with an empty program: a layer that only a change of Cargo.lock rebuilds (librdkafka and OpenSSL
# are compiled from source and take most of the time).
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked --lib --bins
COPY . .
# Newer than the empty program's, or cargo takes that for current.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin atlar-ingestor && mkdir /empty

# The same Debian as above: glibc must not be older than the one linked against. No shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="atlar-ingestor" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /build/target/release/atlar-ingestor /atlar-ingestor
# A named volume takes its first owner from the image's folder, and the program does not run as root.
COPY --from=build --chown=65532:65532 /empty /var/lib/atlar-ingestor
WORKDIR /var/lib/atlar-ingestor
EXPOSE 8080
ENTRYPOINT ["/atlar-ingestor"]
CMD ["run"]
