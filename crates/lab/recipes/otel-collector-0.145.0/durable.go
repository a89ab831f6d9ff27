package main

import (
	"context"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/elasticsearchexporter"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// durable is the Elasticsearch exporter behind a queue and a retry of the collector's own. By itself that exporter gives up what it holds after
// a number of tries, and where that number is large it waits no longer between them after some forty (its doubled pause overflows).
var durable = component.MustNewType("durable_elasticsearch")

type durableConfig struct {
	Queue         configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	Retry         configretry.BackOffConfig                                `mapstructure:"retry_on_failure"`
	Elasticsearch elasticsearchexporter.Config                             `mapstructure:"elasticsearch"`
}

func newDurableFactory() exporter.Factory {
	inner := elasticsearchexporter.NewFactory()
	defaults := func() component.Config {
		return &durableConfig{
			Queue:         configoptional.Some(exporterhelper.NewDefaultQueueConfig()),
			Retry:         configretry.NewDefaultBackOffConfig(),
			Elasticsearch: *inner.CreateDefaultConfig().(*elasticsearchexporter.Config),
		}
	}
	create := func(ctx context.Context, settings exporter.Settings, config component.Config) (exporter.Logs, error) {
		own := config.(*durableConfig)
		// One queue is enough, and it is ours.
		own.Elasticsearch.QueueBatchConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
		of := settings
		of.ID = component.NewIDWithName(inner.Type(), settings.ID.Name())
		sender, err := inner.CreateLogs(ctx, of, &own.Elasticsearch)
		if err != nil {
			return nil, err
		}
		return exporterhelper.NewLogs(ctx, settings, config, sender.ConsumeLogs,
			exporterhelper.WithStart(sender.Start),
			exporterhelper.WithShutdown(sender.Shutdown),
			exporterhelper.WithCapabilities(sender.Capabilities()),
			// The exporter within has its own.
			exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
			exporterhelper.WithRetry(own.Retry),
			exporterhelper.WithQueue(own.Queue))
	}
	return exporter.NewFactory(durable, defaults, exporter.WithLogs(create, component.StabilityLevelBeta))
}
