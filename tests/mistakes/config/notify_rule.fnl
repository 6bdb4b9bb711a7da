{:notify {:targets {:mail {:smtp "smtp://mail.example.org:587" :from "ci@example.org" :to ["ops@example.org"]}}
          :rules [{:to "mails" :on [:failure] :refs ["main"]}]}}
