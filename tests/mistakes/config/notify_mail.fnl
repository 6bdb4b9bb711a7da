{:notify {:targets {:mail {:smtp "mail.example.org" :to "ops@example.org"}} :rules [{:to "mail"}]}}
