(ci:job :test [:quire/push] (fn [] (sh "make")))
