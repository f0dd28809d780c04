"""Registers that a majority of nodes remembers: no leader, and linearizable all the same.

After Attiya, Bar-Noy and Dolev, "Sharing Memory Robustly in Message-Passing Systems" (1995). The
node that is asked runs two rounds, each with a majority: learn the newest value, then let a
majority know it (a read) or a newer one (a write). A read must do the second round, too: it is what
keeps a later read from seeing an older value.
"""

from duress.fixtures.protocols.protocol import Protocol

RETRY_S = 0.2


class MajorityRegister(Protocol):
    """One node. The option ``write-back=false`` plants a bug: reads skip their second round."""

    def on_start(self):
        """Nothing is open. Lives are counted, so that no round or stamp is used twice."""
        storage = self.context.storage
        self.life = storage.get("lives", 0) + 1
        storage.put("lives", self.life)
        storage.sync()
        self.rounds = {}
        self.begun = 0
        self.writes_back = self.context.options.get("write-back", "true") != "false"

    def on_message(self, message):
        """From a client ``read`` and ``write``, from nodes the messages of rounds."""
        body = message["body"]
        match body["type"]:
            case "read" | "write":
                self.begin(message, {"type": "learn", "key": body["key"]})
            case "learn":
                stamp, value = self.newest(body["key"])
                self.answer(message, {"stamp": stamp, "value": value})
            case "keep":
                if body["stamp"] > self.newest(body["key"])[0]:
                    self.context.storage.put(body["key"], [body["stamp"], body["value"]])
                    self.context.storage.sync()  # an answer is a promise
                self.answer(message, {})
            case "answer":
                self.heard(message["src"], body)

    def newest(self, key):
        """The newest stamp and value that this node knows."""
        return self.context.storage.get(key, [[0, "", 0, 0], None])

    # -- rounds --------------------------------------------------------------------

    def begin(self, request, question):
        """Ask every node, again and again, until a majority has answered."""
        self.begun += 1
        name = f"{self.life}.{self.begun}"
        self.rounds[name] = {"request": request, "question": question, "answers": {}}
        self.ask(name)

    def ask(self, name):
        """Ask those that have not answered yet."""
        current = self.rounds[name]
        for node in self.context.node_ids:
            if node not in current["answers"]:
                self.context.send(node, {**current["question"], "round": name})
        self.context.set_timer(name, RETRY_S)

    def on_timer(self, name):
        """A round that is not over may have lost messages."""
        if name in self.rounds:
            self.ask(name)

    def answer(self, message, body):
        """Answer a question of a round."""
        name = message["body"]["round"]
        self.context.send(message["src"], {"type": "answer", "round": name, **body})

    def heard(self, node, body):
        """One more answer; go on once they are a majority."""
        current = self.rounds.get(body["round"])
        if current is None:
            return
        current["answers"][node] = body
        if len(current["answers"]) > len(self.context.node_ids) // 2:
            del self.rounds[body["round"]]
            self.context.cancel_timer(body["round"])
            if current["question"]["type"] == "learn":
                self.learnt(current)
            else:
                self.done(current["request"], current["question"]["value"])

    def learnt(self, current):
        """The newest of a majority is known: let a majority keep it, or what is to be written."""
        request, answers = current["request"], current["answers"].values()
        newest = max(answers, key=lambda answer: answer["stamp"])
        stamp, value = newest["stamp"], newest["value"]
        asked = request["body"]
        if asked["type"] == "write":
            # Names of nodes, lives and rounds: no two writes have one stamp.
            stamp = [stamp[0] + 1, self.context.node_id, self.life, self.begun]
            value = asked["value"]
        elif not self.writes_back:
            self.done(request, value)
            return
        question = {"type": "keep", "key": asked["key"], "stamp": stamp, "value": value}
        self.begin(request, question)

    def done(self, request, value):
        """Tell the client."""
        self.context.reply(request, {"type": f"{request['body']['type']}_ok", "value": value})
