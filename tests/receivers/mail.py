"""A mail server on loopback: python3 mail.py FOLDER [refuse].

Writes its port into FOLDER/port, and each mail into FOLDER/mail-N. With `refuse` it answers 550 to every recipient. The login is
ci, the password in FOLDER/password.
"""

import asyncio
import os
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, refuses = sys.argv[1], sys.argv[2:] == ["refuse"]


class Mailbox:
    def __init__(self):
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if refuses:
            return "550 there is no <b>such</b> mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        name = os.path.join(folder, f"mail-{self.count}")
        with open(name + ".new", "wb") as mail:
            login = session.auth_data
            mail.write(b"login: " + (login or b"none") + b"\n")
            mail.write(f"from: {envelope.mail_from}\nto: {' '.join(envelope.rcpt_tos)}\n".encode())
            mail.write(envelope.content.replace(b"\r\n", b"\n"))
        os.rename(name + ".new", name)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    with open(os.path.join(folder, "password")) as password:
        fits = data.login == b"ci" and data.password.decode() == password.read().strip()
    return AuthResult(success=fits, handled=False, auth_data=data.login if fits else None)


async def main():
    mailbox = Mailbox()

    def protocol():
        has_login = os.path.exists(os.path.join(folder, "password"))
        login = {"authenticator": authenticate, "auth_require_tls": False, "auth_required": True}
        return SMTP(mailbox, hostname="mail.test", **(login if has_login else {}))

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    with open(os.path.join(folder, "port.new"), "w") as port:
        port.write(str(server.sockets[0].getsockname()[1]))
    os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
    await server.serve_forever()


asyncio.run(main())
