//! What is said of words that people coming from elsewhere write: the hint that helps, or none that misleads.

use super::compile_tests::{options, sources};
use super::{CompileFailure, CompileOptions, compile, globals};

/// Words with a part of the hint that each must have; where people come from is in the comments.
const WORDS: &str = "
== | (= a b)
=== | (= a b)
!= | (not= a b)
!== | (not= a b)
<> | (not= a b)
&& | (and a b)
|| | (or a b)
! | (not x)
+= | (set x (+ x 1))
** | (^ a b)
null | write `nil`
None | write `nil`
undefined | write `nil`
True | write `true`
False | write `false`
def | (local name value)
defn | (fn name [x] …)
define | (local name value)
const | (local name value)
let* | (let [name value] …)
function | (fn name [x] …)
func | (fn name [x] …)
class | {:name value}
import | (require :name)
from | (require :name)
ns | (require :name)
elif | (if condition value
elseif | (if condition value
else | (if condition value
then | (if condition value
cond | (if condition value
switch | (case value pattern result …)
unless | (when (not condition) …)
if-not | (if (not condition) …)
when-let | (let [x …] (when x …))
end | ends with its `)`
fi | (if condition value
done | ends with its `)`
try | (pcall f)
catch | (pcall f)
except | (pcall f)
throw | (error \"why\")
raise | (error \"why\")
panic | (error \"why\")
die | (error \"why\")
fail | (error \"why\")
exit | (error \"why\")
return | the last form of a function is its value
pass | write `nil`
foreach | (each [_ value (ipairs list)] …)
doseq | (each [_ value (ipairs list)] …)
loop | (while condition …)
recur | (while condition …)
range | (for [i 1 3] …)
break | &until
continue | &until
map | (icollect
filter | (icollect
reduce | (accumulate
len | (length x)
count | (length x)
size | (length x)
first | (. list 1)
car | (. list 1)
rest | (. list 1)
get | (. table key)
nth | (. list 1)
assoc | (tset table key value)
append | (table.insert list value)
conj | (table.insert list value)
dict | {:key value}
keys | (pairs table)
nil? | (= x nil)
empty? | (= (length x) 0)
str | (.. a b)
concat | (.. a b)
format | (string.format
sprintf | (string.format
join | (table.concat list
split | (string.gmatch text
trim | (text:match
replace | (text:gsub
contains | (text:find
int | (tonumber text)
parseInt | (tonumber text)
toString | (tostring value)
inc | (+ x 1)
dec | (- x 1)
println | (log …)
echo | (log …)
console | (log …)
printf | (log …)
JSON | (json-encode value)
open | (read-file path)
slurp | (read-file path)
spit | (write-file path text)
env | {:env {:NAME
getenv | {:env {:NAME
process | {:env {:NAME
shell | (sh \"make test\")
bash | (sh \"make test\")
exec | (sh \"make test\")
run | (sh \"make test\")
system | (sh \"make test\")
subprocess | (sh \"make test\")
os-system | none
make | (sh \"make …\")
npm | (sh \"npm …\")
cargo | (sh \"cargo …\")
git | (sh \"git …\")
python3 | (sh \"python3 …\")
cd | (sh \"cd …\")
test | (sh \"test …\")
docker | (container
await | jobs that do not need each other
async | jobs that do not need each other
self | (fn [self] …)
push | {:quire/push push}
branch | push.branch
sha | push.sha
commit | push.sha
github | push.branch
GITHUB_SHA | push.branch
CI_COMMIT_BRANCH | push.branch
$HOME | {:env {:NAME
inputs | (fn [{: inputs}]
needs | (fn [{: inputs}]
secrets | (secret :name)
password | (secret :name)
job | (ci:job :test
stage | (ci:job :test
steps | (ci:job :test
on | (ci:job :test
runs-on | options stand before the function
image | options stand before the function
before_script | options stand before the function
artifacts | options stand before the function
rules | options stand before the function
checkout | a checkout of the commit already
notify | config.fnl
ci | (local ci (require :quire.ci))
quire | (local ci (require :quire.ci))
io | `read-file`
Math | `math`
lgo | `log`
secert | `secret`
read_file | `read-file`
jsonEncode | `json-encode`
mirror | none
deploy | none
lint | none
release | none
server | none
version | none
";

#[test]
fn words_of_other_languages_get_the_hint_that_helps_and_none_that_misleads() {
    let words: Vec<(&str, &str)> = WORDS
        .lines()
        .filter_map(|line| line.split_once(" | "))
        .map(|(word, part)| (word.trim(), part))
        .collect();
    assert!(words.len() >= 140, "{}", words.len());
    let names: Vec<&str> = globals().collect();
    let options = CompileOptions { globals: &names, ..options() };
    let mut wrong = Vec::new();
    for few in words.chunks(40) {
        let text: String = few.iter().map(|(word, _)| format!("({word} 1)\n")).collect();
        let Err(CompileFailure::Invalid(found)) = compile(&sources(text, &[]), &options) else { panic!() };
        for (line, (word, part)) in (1..).zip(few) {
            let mut here = found.iter().filter(|problem| problem.span.is_some_and(|span| span.line == line));
            let hint = here.next().and_then(|problem| problem.help.clone()).unwrap_or_default();
            let is_right = match *part {
                "none" => hint.starts_with("bind it with `local`"),
                part => hint.contains(&part.replace("\\\"", "\"")),
            };
            if !is_right || here.next().is_some() {
                wrong.push(format!("{word}: {hint}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
