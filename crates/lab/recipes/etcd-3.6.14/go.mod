module barque.invalid/recipes/etcd

go 1.25.0

require (
	go.etcd.io/etcd/api/v3 v3.6.14
	go.etcd.io/etcd/client/pkg/v3 v3.6.14
	go.etcd.io/etcd/client/v3 v3.6.14
	go.etcd.io/etcd/etcdctl/v3 v3.6.14
	go.etcd.io/etcd/etcdutl/v3 v3.6.14
	go.etcd.io/etcd/pkg/v3 v3.6.14
	go.etcd.io/etcd/server/v3 v3.6.14
)
