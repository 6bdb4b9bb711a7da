import subprocess
subprocess.run(["make", "test"], check=True)
