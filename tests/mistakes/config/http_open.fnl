{:http {:bind "0.0.0.0:80"
        :visibility :everybody
        :cors-origins ["*" "https://pages.example.org/"]
        :trusted-proxies ["10.0.0.1/8" "proxy"]
        :admin ["ada"]}}
