"""Fills a database with runs: copies of the newest run that a push has started, with all rows that the program wrote of it."""

import sqlite3

# Of each table: what a copy has of its own; `n` counts from 1. Notices are not among them: nobody waits for news of these.
OWN = {
    "pushes": {"push": "push || '-' || n"},
    "intents": {"id": "(SELECT max(id) FROM intents) + n", "push": "push || '-' || n"},
    "updates": {"id": "(SELECT max(id) FROM updates) + n", "push": "push || '-' || n",
                "serial": "(SELECT max(serial) FROM updates) + n"},
    "runs": {"seq": "(SELECT max(seq) FROM runs) + n", "number": "(SELECT max(number) FROM runs) + n",
             "id": "printf('%08d', (SELECT max(seq) FROM runs) + n) || substr(id, 9)",
             "update_id": "(SELECT max(id) FROM updates) - :count + n"},
    "lines": {"key": "randomblob(16)"},
    "jobs": {"run": "(SELECT max(seq) FROM runs) - :count + n"},
    "steps": {"run": "(SELECT max(seq) FROM runs) - :count + n"},
}
MODEL = "FROM runs WHERE state = 'finished' AND update_id IS NOT NULL ORDER BY seq DESC LIMIT 1"


def fill(database, count):
    with sqlite3.connect(database) as db:
        seq, update = db.execute(f"SELECT seq, update_id {MODEL}").fetchone()
        push = db.execute("SELECT push FROM updates WHERE id = ?", [update]).fetchone()[0]
        of = {"pushes": f"push = '{push}'", "intents": f"push = '{push}'", "updates": f"id = {update}", "runs": f"seq = {seq}",
              "lines": "rowid = 1", "jobs": f"run = {seq}", "steps": f"run = {seq}"}
        for table, own in OWN.items():
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            chosen = ", ".join(own.get(name, name) for name in columns)
            db.execute(f"""WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :count)
                INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM counted, {table} WHERE {of[table]}""",
                       {"count": count})
        db.execute("UPDATE refs SET seen = json_set(seen, '$.next_serial', json_extract(seen, '$.next_serial') + ?)", [count])
        db.execute("DELETE FROM notices")
    db.close()
