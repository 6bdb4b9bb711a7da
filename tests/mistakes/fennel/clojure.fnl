(ns ci (:require [quire.ci :as ci]))
(ci/job :test [:quire/push] (fn [{:keys [sh]}] (sh "make test")))
