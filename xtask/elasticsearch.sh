#!/bin/sh
# The demo's Elasticsearch: a store of one's own, as the add-on `logging` wants it, on the lab's network alone.
#   elasticsearch.sh start HOME ADDRESS PORT   run a copy of HOME as nobody; done when it answers (root)
#   elasticsearch.sh search ADDRESS PORT WORDS the last twenty lines of pods that match, newest first, in Lucene's query syntax
#   elasticsearch.sh stop                      end it and delete what it has (root)
# POSIX sh. What it has is in one folder, which no other user can read.
set -eu

state=/var/lib/barque-demo-elasticsearch
nobody=65534

say() { printf 'elasticsearch: %s\n' "$*" >&2; }

# Its process, when that runs: a number that another program has by now is not taken for it.
running() {
    pid=$(cat "$state/pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$state"
}

answers() { curl --silent --fail --noproxy '*' --max-time 5 "$1" >/dev/null; }

start() {
    home=$1
    url=http://$2:$3/_cluster/health
    if running; then
        answers "$url" && return
        stop
    fi
    rm -rf "$state"
    mkdir -m 700 "$state"
    cp -r "$home/." "$state"
    mkdir "$state/tmp"
    cat >"$state/config/elasticsearch.yml" <<TEXT
network.host: $2
http.port: $3
transport.tcp.port: 0
discovery.type: single-node
bootstrap.system_call_filter: false
cluster.routing.allocation.disk.threshold_enabled: false
TEXT
    chown -R "$nobody:$nobody" "$state"
    # It refuses to be root.
    (cd "$state" && env -u JAVA_TOOL_OPTIONS ES_TMPDIR="$state/tmp" ES_JAVA_OPTS='-Djava.security.manager=allow -Xms512m -Xmx512m' \
        setpriv --reuid "$nobody" --regid "$nobody" --clear-groups setsid bin/elasticsearch -d -p "$state/pid" </dev/null >"$state/out.log" 2>&1)
    tries=0
    until answers "$url"; do
        tries=$((tries + 1))
        if [ "$tries" -ge 180 ] || ! { running || [ "$tries" -lt 10 ]; }; then
            say "does not answer at $url after $tries s; the end of what it wrote:"
            tail -n 20 "$state/out.log" "$state"/logs/*.log >&2 || true
            say "see that nobody else has port $3 and that Java is 17 to 23 (java -version), then run ./x demo again; without logging in .demo/cluster.yaml the demo does without it"
            exit 1
        fi
        [ $((tries % 10)) -ne 0 ] || say "starting, $tries s"
        sleep 1
    done
}

stop() {
    if running; then
        kill "$pid"
        tries=0
        while running && [ "$tries" -lt 30 ]; do
            sleep 1
            tries=$((tries + 1))
        done
        ! running || kill -9 "$pid"
    fi
    rm -rf "$state"
}

search() {
    base=http://$1:$2
    shift 2
    fields=hits.hits._source.@timestamp,hits.hits._source.kubernetes.pod.name,hits.hits._source.message
    curl --silent --show-error --fail --noproxy '*' --max-time 30 --get --data-urlencode "q=${*:-*}" \
        --data size=20 --data sort=@timestamp:desc --data "filter_path=$fields" \
        --data pretty "$base/kubernetes-*/_search"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
    start | stop | search) "$verb" "$@" ;;
    *)
        say "start HOME ADDRESS PORT, search ADDRESS PORT WORDS or stop"
        exit 2
        ;;
esac
