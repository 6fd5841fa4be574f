"""Real forward proxies and real reverse proxies, each as its Debian package brings it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import trustme

from tests.world import authority
from tests.world.canary import Canaries
from tests.world.host import Host
from tests.world.sites import NAME_SERVER, PLACES, PROXY

USER = "runner"


class ProxyHost(Host):
    """The host that forward proxies run on; one at a time."""

    def __init__(self, name: str, folder: Path, canaries: Canaries) -> None:
        super().__init__(name, folder)
        self._canaries = canaries
        self._daemon: int | None = None

    def _replace(self, argv: list[str], port: int) -> None:
        self.stop_proxy()
        self.close_port(port)
        self._daemon = self.start(argv, ready=self.listening(port))

    def stop_proxy(self) -> None:
        """Nobody listens on the proxy's port any more."""
        if self._daemon is not None:
            self.stop(self._daemon)
            self._daemon = None

    def squid(self, rules: str = "http_access allow all", *, password: bool = False, connect_seconds: int = 3) -> str:
        """Run squid on port 3128 with these access rules; returns its URL, with the canary if it wants a password."""
        folder = self._spool("squid", "proxy")
        config = [
            "http_port 3128",
            f"dns_nameservers {NAME_SERVER}",
            "hosts_file none",
            f"pid_filename {folder}/pid",
            f"access_log stdio:{folder}/access.log",
            f"cache_log {folder}/cache.log",
            "cache deny all",
            "cache_mem 8 MB",
            f"coredump_dir {folder}",
            "shutdown_lifetime 0 seconds",
            f"connect_timeout {connect_seconds} seconds",
            "visible_hostname proxy.acme.example",
            "pinger_enable off",
            "netdb_filename none",
            "max_filedescriptors 1024",
        ]
        if password:
            users = folder / "users"
            hashed = subprocess.run(
                ["openssl", "passwd", "-apr1", "-stdin"],
                input=self._canaries.proxy_password,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            users.write_text(f"{USER}:{hashed}")
            users.chmod(0o644)
            config += [
                f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {users}",
                "auth_param basic children 1 startup=1",
                "auth_param basic realm acme",
                "acl known proxy_auth REQUIRED",
                "http_access allow known",
                "http_access deny all",
            ]
        else:
            config += rules.splitlines()
        file = folder / "squid.conf"
        file.write_text("\n".join(config) + "\n")
        self._replace(["squid", "-N", "-f", str(file)], 3128)
        return self._canaries.proxy_url(PROXY, 3128, user=USER) if password else f"http://{PROXY}:3128"

    def tinyproxy(self, *settings: str) -> str:
        """Run tinyproxy on port 8888 with these further settings; returns its URL."""
        folder = self._spool("tinyproxy", "nobody")
        file = folder / "tinyproxy.conf"
        config = (
            "Port 8888",
            "Listen 0.0.0.0",
            "Timeout 20",
            "MaxClients 20",
            "ConnectPort 443",
            f'LogFile "{folder}/log"',
        )
        file.write_text("\n".join((*config, *settings)) + "\n")
        self._replace(["tinyproxy", "-d", "-c", str(file)], 8888)
        return f"http://{PROXY}:8888"

    def filter_list(self, *patterns: str) -> Path:
        """A file of host patterns for tinyproxy's `Filter`."""
        file = self._spool("tinyproxy", "nobody") / "filter"
        file.write_text("".join(f"{p}\n" for p in patterns))
        return file

    def dante(self, rules: str = "socks pass { from: 0/0 to: 0/0 }", *, method: str = "none") -> str:
        """Run Dante's SOCKS server on port 1080; returns its URL, with names resolved by the proxy."""
        folder = self._spool("dante", "nobody")
        file = folder / "danted.conf"
        file.write_text(
            f"logoutput: {folder}/log\ninternal: 0.0.0.0 port = 1080\nexternal: eth0\n"
            f"clientmethod: none\nsocksmethod: {method}\nuser.privileged: root\nuser.unprivileged: nobody\n"
            f"client pass {{ from: 0/0 to: 0/0 }}\n{rules}\n"
        )
        self._replace(["danted", "-f", str(file), "-p", str(folder / "pid")], 1080)
        return f"socks5h://{PROXY}:1080"

    def dnsmasq(self, *settings: str) -> str:
        """Run dnsmasq on this host, in front of the world's name server; returns its address."""
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file", "--no-hosts"]
        argv += ["--no-resolv", f"--server={NAME_SERVER}", *(f"--{s}" for s in settings)]
        self._replace(argv, 53)
        return PLACES[PROXY].addresses[0]

    def unbound(self, *settings: str, forward: str = NAME_SERVER) -> str:
        """Run unbound on this host with these further `server:` lines; returns its address."""
        folder = self._spool("unbound", "root")
        file = folder / "unbound.conf"
        server = (
            *(
                f"interface: {PLACES[PROXY].addresses[0]}",
                "do-ip6: no",
                'username: ""',
                'chroot: ""',
                f'directory: "{folder}"',
                "use-syslog: no",
            ),
            *('pidfile: ""', "access-control: 0.0.0.0/0 allow", "do-not-query-localhost: no", "num-threads: 1"),
        )
        if not any("module-config" in setting for setting in settings):
            server += ('module-config: "iterator"',)
        lines = "".join(f"  {line}\n" for line in (*server, *settings))
        file.write_text(f'server:\n{lines}forward-zone:\n  name: "."\n  forward-addr: {forward}\n')
        self._replace(["unbound", "-d", "-p", "-c", str(file)], 53)
        return PLACES[PROXY].addresses[0]

    def microsocks(self, *arguments: str) -> str:
        """Run microsocks on port 1080; returns its URL, with names resolved by the proxy."""
        self._replace(["microsocks", "-p", "1080", *arguments], 1080)
        return f"socks5h://{PROXY}:1080"

    def stunnel(self, certificate: trustme.LeafCert, target: int) -> str:
        """Run stunnel on port 3443: TLS in front of another port of this host; returns its URL as a proxy over TLS."""
        folder = self._spool("stunnel", "root")
        chain, key = authority.write(certificate, folder)
        file = folder / "stunnel.conf"
        file.write_text(
            f"foreground = yes\npid =\n[proxy]\naccept = 3443\nconnect = 127.0.0.1:{target}\ncert = {chain}\nkey = {key}\n"
        )
        self.start(["stunnel4", str(file)], ready=self.listening(3443))
        return f"https://{PROXY}:3443"

    def haproxy(self, rules: str) -> str:
        """Run HAProxy on port 3128 with these lines as its frontend; returns its URL."""
        self._replace(haproxy_command(self, f"frontend front\n bind :3128\n {rules}\n"), 3128)
        return f"http://{PROXY}:3128"

    def _spool(self, name: str, user: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, user)
        return folder


def run_nginx(
    host: Host,
    certificate: trustme.LeafCert | None,
    location: str,
    *,
    server: str = "",
    upstream: str = "",
    port: int = 443,
) -> int:
    """Run nginx on a port of a host; returns its process id.

    Args:
        host: Where.
        certificate: For TLS; None means plain HTTP.
        location: Text of its `location /`.
        server: Further text of its `server`.
        upstream: Text of an `upstream pool`.
        port: Where it listens.
    """
    folder = host.folder / "nginx"
    folder.mkdir(exist_ok=True)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    listen = f"listen {port}; listen [::]:{port};"
    if certificate is not None:
        chain, key = authority.write(certificate, folder)
        listen = f"listen {port} ssl; listen [::]:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key};"
    pool = f"upstream pool {{ {upstream} }}\n" if upstream else ""
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; user root; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log {folder}/access.log;\n{temporary}{pool}"
        f"server {{\n{listen}\n{server}\nlocation / {{ {location} }}\n}}\n}}\n"
    )
    return host.start(["nginx", "-p", str(folder), "-c", str(file)], ready=host.listening(port))


def haproxy_command(host: Host, text: str, *, mode: str = "http") -> list[str]:
    """Write a configuration for HAProxy; returns the command that runs it."""
    file = host.folder / "haproxy.cfg"
    file.write_text(
        f"defaults\n mode {mode}\n timeout connect 1s\n timeout client 20s\n timeout server 20s\n retries 0\n{text}"
    )
    return ["haproxy", "-db", "-f", str(file)]


def run_haproxy(host: Host, certificate: trustme.LeafCert, backend: str, *, bind: str = "", front: str = "") -> int:
    """Run HAProxy with TLS on port 443 of a host, with this text for its backend; returns its process id."""
    chain, key = authority.write(certificate, host.folder)
    bundle = host.folder / "haproxy.pem"
    bundle.write_bytes(chain.read_bytes() + key.read_bytes())
    command = haproxy_command(
        host,
        f"frontend front\n bind :::443 v4v6 ssl crt {bundle} {bind}\n {front}\n default_backend back\nbackend back\n {backend}\n",
    )
    return host.start(command, ready=host.listening(443))


def run_haproxy_stream(host: Host, text: str) -> int:
    """Run HAProxy on port 443 without TLS of its own, with this text; returns its process id."""
    return host.start(haproxy_command(host, text, mode="tcp"), ready=host.listening(443))


def run_openssl(host: Host, certificate: trustme.LeafCert, *arguments: str) -> int:
    """Run `openssl s_server` on port 443 of a host; returns its process id."""
    chain, key = authority.write(certificate, host.folder)
    command = ["openssl", "s_server", "-quiet", "-accept", "443", "-cert", str(chain), "-key", str(key), "-www"]
    return host.start([*command, *arguments], ready=host.listening(443))
