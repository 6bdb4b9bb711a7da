[0]
run = "make test"
