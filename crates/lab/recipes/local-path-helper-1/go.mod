module barque.invalid/recipes/local-path-helper

go 1.24
