#!/bin/sh
# What the entry point of the makers' image comes to when its pod brings certificates and users.
home=/usr/share/opensearch
cd "$home" || exit 1
# shellcheck disable=SC3045 # the image's sh is dash, which knows -H
if [ "$(ulimit -H -n)" -lt 65535 ]; then
    export LD_PRELOAD="$home/limit.so"
fi
# shellcheck disable=SC2086 # a list of words
exec /usr/lib/jvm/default/bin/java -XX:+UseG1GC -Djava.security.manager=allow -Dlog4j2.disable.jmx=true -Dopensearch.path.home="$home" \
    -Dopensearch.path.conf="$home/config" $OPENSEARCH_JAVA_OPTS -cp "$home/lib/*" org.opensearch.bootstrap.OpenSearch
