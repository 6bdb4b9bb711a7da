{:limits {:runs "two" :jobs 0 :run-timeout "1 hour" :log-bytes "64 MB" :vm-memory "1MiB"}}
