module barque.invalid/recipes/config-watch

go 1.24
