"""Serves acme2certifier on 127.0.0.1:PORT; ACME_SRV_CONFIGFILE names its configuration."""
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from acme2certifier.tools import a2c_db_update

port = int(sys.argv[1])
sys.argv = sys.argv[:1]
try:
    a2c_db_update.main()
except SystemExit:
    pass

from acme2certifier.share.acme2certifier_wsgi import application  # noqa: E402


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


make_server("127.0.0.1", port, application, Server).serve_forever()
