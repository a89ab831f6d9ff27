package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionauth"
)

// store is how requests reach the store: with a name and a password from files, which are read for each request, so that a password that was
// changed is taken up; and with stores that are no Elasticsearch of the last years, such as OpenSearch. Elastic's client speaks to a server only
// when that calls itself Elasticsearch by a header, which others do not send although they understand all that is sent to them here.
var store = component.MustNewType("store")

const product = "X-Elastic-Product"

type storeConfig struct {
	UsernameFile string `mapstructure:"username_file"`
	PasswordFile string `mapstructure:"password_file"`
}

func (config *storeConfig) Validate() error {
	if (config.UsernameFile == "") != (config.PasswordFile == "") {
		return errors.New("username_file and password_file go together")
	}
	return nil
}

type storeExtension struct {
	component.StartFunc
	component.ShutdownFunc
	config *storeConfig
}

var _ extensionauth.HTTPClient = (*storeExtension)(nil)

func newStoreFactory() extension.Factory {
	return extension.NewFactory(store,
		func() component.Config { return &storeConfig{} },
		func(_ context.Context, _ extension.Settings, config component.Config) (extension.Extension, error) {
			return &storeExtension{config: config.(*storeConfig)}, nil
		}, component.StabilityLevelBeta)
}

func (store *storeExtension) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	return roundTrip(func(request *http.Request) (*http.Response, error) {
		if store.config.UsernameFile != "" {
			username, err := os.ReadFile(store.config.UsernameFile)
			if err != nil {
				return nil, err
			}
			password, err := os.ReadFile(store.config.PasswordFile)
			if err != nil {
				return nil, err
			}
			// A round tripper does not change the request that it is given.
			request = request.Clone(request.Context())
			request.SetBasicAuth(strings.TrimSpace(string(username)), strings.TrimRight(string(password), "\r\n"))
		}
		response, err := base.RoundTrip(request)
		if err == nil && response.Header.Get(product) == "" {
			response.Header.Set(product, "Elasticsearch")
		}
		return response, err
	}), nil
}

type roundTrip func(*http.Request) (*http.Response, error)

func (trip roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return trip(request) }
