// A real quire with real pushes, in a folder of its own, and a browser to look at it.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

export class World {
  static async start(args = []) {
    const world = new World();
    world.path = await mkdtemp(join(tmpdir(), "quire-browser."));
    for (const folder of ["home", "bin", "work"]) await mkdir(join(world.path, folder));
    await symlink(process.env.QUIRE, join(world.path, "bin/quire"));
    world.env = {
      PATH: join(world.path, "bin") + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
      HOME: join(world.path, "home"), QUIRE_DATA: join(world.path, "data"), LC_ALL: "C.UTF-8",
      GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0", W: world.path,
      GIT_AUTHOR_NAME: "Ada", GIT_AUTHOR_EMAIL: "ada@example.org", GIT_COMMITTER_NAME: "Ada", GIT_COMMITTER_EMAIL: "ada@example.org",
    };
    world.server = spawn(join(world.path, "bin/quire"), ["serve", "--bind", "127.0.0.1:0", ...args], { env: world.env, stdio: ["ignore", "ignore", "pipe"] });
    world.log = "";
    world.server.stderr.on("data", (text) => { world.log += text; });
    world.url = await world.until(async () => {
      const url = (await readFile(join(world.path, "data/server.url"), "utf8").catch(() => "")).trim();
      return url && (await fetch(url + "/healthz").catch(() => undefined))?.ok && url;
    });
    return world;
  }

  // Runs a shell command in the folder `work`; its output.
  sh(command) {
    return new Promise((done, failed) => {
      execFile("bash", ["-euc", command], { cwd: join(this.path, "work"), env: this.env, maxBuffer: 64 << 20 }, (error, out, problem) => {
        if (error) failed(new Error(`${command}\n${out}${problem}\n${this.log}`)); else done(out);
      });
    });
  }

  // Makes a repository with this pipeline, and a clone of it.
  async repo(name, pipeline) {
    await this.sh(`quire repo new ${name} && git init -q -b main ${name} && cd ${name} && git remote add origin $QUIRE_DATA/repos/${name}.git && mkdir .quire`);
    await this.commit(name, pipeline, "Begin");
  }

  async commit(name, pipeline, subject) {
    await writeFile(join(this.path, "work", name, ".quire/ci.fnl"), pipeline);
    await writeFile(join(this.path, "subject"), subject);
    await this.sh(`cd ${name} && git add -A && git commit -q --allow-empty -F $W/subject`);
  }

  // Pushes, and waits for the run unless it is to be seen while it runs.
  async push(name, { ref = "main", wait = true } = {}) {
    await this.sh(`cd ${name} && git push -q ${wait ? "-o ci.wait" : ""} origin 'HEAD:refs/heads/${ref}' 2>&1 || true`);
  }

  // A session of somebody with all rights, as a cookie of a browser.
  async signIn(context) {
    const link = (await this.sh("quire login 2>/dev/null")).trim();
    const page = await context.newPage();
    await page.goto(link);
    await page.close();
  }

  async until(look, patience = 15000) {
    const end = Date.now() + patience;
    for (;;) {
      const found = await look();
      if (found) return found;
      if (Date.now() > end) throw new Error("it did not come to this: " + look + "\n" + this.log);
      await new Promise((next) => setTimeout(next, 20));
    }
  }

  async end() {
    await this.sh("quire runs 2>/dev/null | awk '$2 == \"running\" || $2 == \"queued\" {print $1}' | xargs -r -n 1 quire cancel >/dev/null 2>&1 || true").catch(() => {});
    const gone = new Promise((done) => this.server.once("exit", done));
    this.server.kill("SIGTERM");
    await gone;
    await rm(this.path, { recursive: true, force: true });
  }
}

export const browse = () => chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });

// A page that notes what must not happen: violations of the policy, errors of the script, requests to elsewhere.
export async function watched(context, world) {
  const page = await context.newPage();
  page.faults = [];
  page.bytes = 0;
  page.requests = 0;
  page.on("pageerror", (error) => page.faults.push("error: " + error.message));
  page.on("console", (line) => { if (line.type() === "error") page.faults.push("console: " + line.text()); });
  page.on("request", (request) => {
    page.requests += 1;
    if (!request.url().startsWith(world.url)) page.faults.push("elsewhere: " + request.url());
  });
  return page;
}
