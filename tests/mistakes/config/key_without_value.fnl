{:http {:bind "none" :public-url}}
