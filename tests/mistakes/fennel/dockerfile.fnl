FROM alpine:3.22
RUN apk add make
CMD ["make", "test"]
