module barque.invalid/recipes/cniflannel

go 1.20

require github.com/containernetworking/plugins v0.9.1
