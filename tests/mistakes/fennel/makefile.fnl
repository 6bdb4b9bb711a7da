test: build
	make test
