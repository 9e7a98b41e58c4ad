# shellcheck shell=bash
# What scripts/services runs: Java, Kafka, the registry. Sets `java`; reads the paths and versions of scripts/services.
# shellcheck disable=SC2034,SC2154

java_major() {
  # `java -version` writes `openjdk version "17.0.15" …` on stderr
  "$1" -version 2>&1 | sed -n 's/^[a-z]* version "\([0-9]*\).*/\1/p' | head -n 1
}

find_java() {
  local candidate major
  for candidate in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [ -x "$candidate" ] || continue
    major=$(java_major "$candidate")
    if [ "${major:-0}" -ge 17 ]; then java=$candidate; return 0; fi
  done
  return 1
}

need_java() {
  find_java && return
  # Debian 12's default is 17, later releases have newer ones, which serve as well
  apt_install default-jre-headless
  find_java || fail "no Java 17 or newer" "set JAVA_HOME"
}

fetch() {
  [ -e "$lib/.complete" ] && [ -e "$registry_home/.complete" ] && return
  need_java
  command -v mvn >/dev/null || apt_install maven
  mkdir -p "$home"
  local work=$home/fetch-$$
  rm -rf "$work"
  mkdir "$work"
  cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>services</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$LOG4J_VERSION</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>$LOG4J_VERSION</version></dependency>
  </dependencies>
</project>
POM
  if [ ! -e "$lib/.complete" ]; then
    say "fetching Kafka $KAFKA_VERSION"
    maven "$work" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/lib"
    touch "$work/lib/.complete"
    install_folder "$work/lib" "$lib"
  fi
  if [ ! -e "$registry_home/.complete" ]; then
    say "fetching Apicurio Registry $APICURIO_VERSION"
    maven "$work" dependency:copy "-Dartifact=io.apicurio:apicurio-registry-app:$APICURIO_VERSION:tar.gz:all" \
      -DoutputDirectory="$work/archive"
    mkdir "$work/registry"
    tar -xzf "$work"/archive/*.tar.gz -C "$work/registry"
    [ -e "$work/registry/$registry_jar" ] || fail "the registry's archive does not hold $registry_jar"
    touch "$work/registry/.complete"
    install_folder "$work/registry" "$registry_home"
  fi
  rm -rf "$work"
}

maven() {
  local folder=$1
  shift
  if ! mvn -B -q -f "$folder/pom.xml" "$@" >"$folder/maven.log" 2>&1; then
    tail -n 20 "$folder/maven.log" >&2
    fail "Maven could not fetch what is needed" "is a Maven repository reachable?"
  fi
}

# Complete or not there at all: a fetch that was cut off must not look like a finished one.
install_folder() {
  rm -rf "$2"
  mv "$1" "$2"
}
