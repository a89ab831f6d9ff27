module barque.invalid/recipes/node-exporter

go 1.25.0

require github.com/prometheus/node_exporter v1.12.1
