{:notify ["ops@example.org"]}
