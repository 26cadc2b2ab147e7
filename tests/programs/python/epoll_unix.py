# Python's own tests of epoll, whose connections are internet ones, with AF_UNIX sockets.
import socket
import unittest

from test.test_epoll import TestEPoll


class TestEPollUnix(TestEPoll):
    def setUp(self):
        self.serverSocket = socket.socket(socket.AF_UNIX)
        self.serverSocket.bind('')
        self.serverSocket.listen()
        self.connections = [self.serverSocket]

    def _connected_pair(self):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        client.connect(self.serverSocket.getsockname())
        server, addr = self.serverSocket.accept()
        self.connections.extend((client, server))
        return client, server


del TestEPoll
if __name__ == '__main__':
    unittest.main()
