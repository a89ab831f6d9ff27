module barque.invalid/recipes/toolbox

go 1.22
