"""A kernel: runs cells for the gateway that started it, one after the other.

What it is asked and what it answers are JSON, one message a line, on descriptor 3. What programs
print goes to the ordinary standard output and error, which the gateway reads: so whatever a cell
starts prints there too, and one who prints faster than anybody reads has to wait. Both are flushed
before a message is sent, and the gateway reads them before it takes the message; for what is
displayed in the middle of a cell the kernel waits until then (descriptor 4). So the order stays.

The kernel runs already when a capsule begins. Before the first cell in a new capsule the
generators of pseudo-random numbers get new seeds, so that no two capsules draw the same numbers,
and the environment names the capsule it is in.
"""

import asyncio
import base64
import builtins
import datetime
import getpass
import json
import math
import os
import random
import signal
import socket
import sys
import threading

import comm
import IPython
from comm.base_comm import BaseComm
from IPython.core import page
from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.interactiveshell import InteractiveShell, InteractiveShellABC
from IPython.utils.process import system
from IPython.utils.tokenutil import token_at_cursor
from traitlets import Type
from traitlets.config import Config

GATEWAY = 3
TAKEN = 4
RECEIVE = 1 << 16
IDENTITY = "/run/wrenn/."
SANDBOX = "WRENN_SANDBOX_ID"
NAMES = ("WRENN_SANDBOX", SANDBOX, "WRENN_TEMPLATE_ID")


def plain(value):
    """What JSON has no word for."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if hasattr(value, "item") and callable(value.item):
        return value.item()  # a number of numpy's
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return repr(value)


def finite(value):
    """The same without numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value


class Gateway:
    """The way to it; threads may publish at any time."""

    def __init__(self, descriptor):
        self.socket = socket.socket(fileno=descriptor)
        self.socket.set_inheritable(False)
        os.set_inheritable(TAKEN, False)
        self.lock = threading.RLock()
        self.process = os.getpid()
        self.untaken = 0

    def send(self, kind, message, content, metadata=None, waits=False):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        waits = waits and os.getpid() == self.process  # a child has nobody to wait for
        whole = {kind: message, "content": content, "metadata": metadata or {}, "waits": waits}
        try:
            line = json.dumps(whole, default=plain, allow_nan=False)
        except (TypeError, ValueError):
            line = json.dumps(finite(whole), default=plain, skipkeys=True)
        with self.lock:
            self.untaken += waits
            self.socket.sendall(line.encode() + b"\n")
            while waits and self.untaken:  # more than one, if a wait was interrupted
                self.untaken -= len(os.read(TAKEN, self.untaken))

    def publish(self, message, content, metadata=None):
        self.send("publish", message, content, metadata)

    def show(self, message, content, metadata=None):
        """The same for what may be followed by something that is printed."""
        self.send("publish", message, content, metadata, waits=True)

    def reply(self, content):
        self.send("reply", "", content)


class Publisher(DisplayPublisher):
    """Whatever is displayed."""

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **more):
        content = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
        GATE.show("update_display_data" if update else "display_data", content)

    def clear_output(self, wait=False):
        GATE.show("clear_output", {"wait": wait})


class Hook(DisplayHook):
    """The value of a cell's last expression."""

    content = None

    def start_displayhook(self):
        self.content = {}

    def write_output_prompt(self):
        self.content["execution_count"] = self.prompt_count

    def write_format_data(self, format_dict, md_dict=None):
        self.content.update(data=format_dict, metadata=md_dict or {})

    def finish_displayhook(self):
        content, self.content = self.content, None
        if content.get("data"):
            GATE.publish("execute_result", content)


class KernelComm(BaseComm):
    """A conversation between a widget and its other half, without binary attachments."""

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        if buffers:
            raise ValueError("binary attachments of widgets do not pass through this kernel")
        content = {"data": data or {}, "comm_id": self.comm_id, **keys}
        GATE.publish(msg_type, content, metadata)


class Shell(InteractiveShell):
    """IPython without a terminal."""

    displayhook_class = Type(Hook)
    display_pub_class = Type(Publisher)
    traceback = None

    def init_environment(self):
        os.environ.update(
            TERM="xterm-color", CLICOLOR="1", FORCE_COLOR="1", CLICOLOR_FORCE="1", PAGER="cat", GIT_PAGER="cat"
        )

    def init_virtualenv(self):
        pass  # the kernel is in the one that it is meant to be in

    def init_hooks(self):
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(self.to_pager), 99)

    def to_pager(self, text, start=0, screen_lines=0, pager_cmd=None):
        data = text if isinstance(text, dict) else {"text/plain": text}
        self.payload_manager.write_payload({"source": "page", "data": data, "start": max(0, start)})

    def set_next_input(self, text, replace=False):
        self.payload_manager.write_payload(
            {"source": "set_next_input", "text": text, "replace": replace}
        )

    def ask_exit(self):
        self.exit_now = True
        self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": False})

    def enable_gui(self, gui=None):
        if gui not in (None, "inline", "agg"):
            raise UsageError(f"there is no screen for {gui}; figures are shown with `inline`")

    def system_piped(self, command):
        if command.rstrip().endswith("&"):
            raise OSError("programs in the background are not supported here; see subprocess.Popen")
        self.user_ns["_exit_code"] = system(self.var_expand(command, depth=1))

    system = system_piped

    def _showtraceback(self, etype, evalue, stb):
        self.traceback = {"ename": etype.__name__, "evalue": str(evalue), "traceback": stb}
        GATE.publish("error", self.traceback)


InteractiveShellABC.register(Shell)


class Identity:
    """Whose capsule this is."""

    def __init__(self):
        self.known = self.read(SANDBOX)

    @staticmethod
    def read(name):
        try:
            file = os.open(IDENTITY + name, os.O_RDONLY)
        except OSError:
            return None  # not in a capsule
        try:
            return os.read(file, 4096)
        finally:
            os.close(file)

    def refresh(self):
        now = self.read(SANDBOX)
        if now == self.known:
            return
        self.known = now
        for name in NAMES:
            value = self.read(name)
            if value is not None:
                os.environ[name] = value.decode()
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()


class Kernel:
    """Carries out what the gateway asks for; it asks one thing at a time."""

    def __init__(self, shell):
        self.shell = shell
        self.identity = Identity()
        self.loop = asyncio.get_event_loop()
        self.running = False
        self.task = None
        self.unread = []  # pieces of a line that has only begun
        signal.signal(signal.SIGINT, self.interrupted)

    def interrupted(self, *_):
        if self.task is not None:
            self.loop.call_soon_threadsafe(self.task.cancel)  # wakes the loop as well
        elif self.running:
            raise KeyboardInterrupt

    def receive(self):
        received = GATE.socket.recv(RECEIVE)
        if not received:
            self.loop.stop()
            return
        *lines, begun = received.split(b"\n")
        if lines:
            lines[0] = b"".join([*self.unread, lines[0]])
            self.unread = []
        self.unread.append(begun)
        for line in lines:
            asked = json.loads(line)
            self.carry_out(asked["type"], asked["content"], asked.get("metadata") or {})

    def carry_out(self, kind, content, metadata):
        if kind == "execute_request":
            self.execute(content)
            return
        try:
            if kind.startswith("comm_") and kind != "comm_info_request":
                reply = self.converse(kind, content, metadata)
            else:
                reply = getattr(self, kind.removesuffix("_request"))(content)
        except Exception as e:  # a bad question, or a widget's own mistake
            reply = {"status": "error", "ename": type(e).__name__, "evalue": str(e), "traceback": []}
        GATE.reply(reply)

    def execute(self, content):
        shell, silent = self.shell, content.get("silent", False)
        self.identity.refresh()
        shell.traceback = None
        options = {"silent": silent, "store_history": content.get("store_history", True)}
        try:
            self.running = True
            if silent:
                GATE.send("began", "", {})
            else:
                shown = {"code": content["code"], "execution_count": shell.execution_count}
                GATE.publish("execute_input", shown)
            if self.awaits(content["code"]):
                transformed = shell.transform_cell(content["code"])
                cell = shell.run_cell_async(content["code"], transformed_cell=transformed, **options)
                self.task = self.loop.create_task(cell)
                self.task.add_done_callback(lambda task: self.awaited(task, content))
                return
            result = shell.run_cell(content["code"], **options)
        except KeyboardInterrupt:  # in what IPython does around the cell
            result = None
        self.running = False
        self.executed(result, content)

    def awaits(self, code):
        """Whether a cell waits at its top level, for which it needs a task of its own."""
        if "await" not in code and "async" not in code:
            return False
        try:
            transformed = self.shell.transform_cell(code)
        except Exception:
            return False  # the cell will tell
        return self.shell.should_run_async(code, transformed_cell=transformed)

    def awaited(self, task, content):
        self.task, self.running = None, False
        result = None if task.cancelled() else task.result()
        self.shell.events.trigger("post_execute")
        if not content.get("silent", False):
            self.shell.events.trigger("post_run_cell", result)
        self.executed(result, content)

    def executed(self, result, content):
        shell = self.shell
        if result is not None and result.success:
            reply = {"status": "ok", "user_expressions": self.expressions(content)}
        else:
            if shell.traceback is None:
                shell._showtraceback(KeyboardInterrupt, KeyboardInterrupt(), ["KeyboardInterrupt"])
            reply = {"status": "error", **shell.traceback, "user_expressions": {}}
        reply["execution_count"] = shell.execution_count - 1
        reply["payload"] = shell.payload_manager.read_payload()
        shell.payload_manager.clear_payload()
        if shell.exit_now:
            GATE.send("ending", "", {})
            self.loop.stop()
        GATE.reply(reply)

    def expressions(self, content):
        wanted = content.get("user_expressions")
        return self.shell.user_expressions(wanted) if wanted else {}

    def converse(self, kind, content, metadata):
        message = {"content": content, "metadata": metadata, "buffers": []}
        getattr(comm.get_comm_manager(), kind)(None, None, message)
        return {}

    def comm_info(self, content):
        wanted = content.get("target_name")
        comms = {
            key: {"target_name": each.target_name}
            for key, each in comm.get_comm_manager().comms.items()
            if wanted in (None, each.target_name)
        }
        return {"status": "ok", "comms": comms}

    def complete(self, content):
        code, cursor = content["code"], content.get("cursor_pos")
        cursor = len(code) if cursor is None else cursor
        with provisionalcompleter():
            found = self.shell.Completer.completions(code, cursor)
            found = list(rectify_completions(code, found))
        types = [
            {"start": c.start, "end": c.end, "text": c.text, "type": c.type, "signature": c.signature}
            for c in found
        ]
        return {
            "status": "ok",
            "matches": [c.text for c in found],
            "cursor_start": found[0].start if found else cursor,
            "cursor_end": found[0].end if found else cursor,
            "metadata": {"_jupyter_types_experimental": types},
        }

    def inspect(self, content):
        code, cursor = content["code"], content.get("cursor_pos")
        name = token_at_cursor(code, len(code) if cursor is None else cursor)
        try:
            detail = content.get("detail_level", 0)
            data = self.shell.object_inspect_mime(name, detail_level=detail)
        except KeyError:
            return {"status": "ok", "found": False, "data": {}, "metadata": {}}
        return {"status": "ok", "found": True, "data": data, "metadata": {}}

    def is_complete(self, content):
        checker = self.shell.input_transformer_manager
        status, indent = checker.check_complete(content["code"])
        reply = {"status": status}
        if status == "incomplete":
            reply["indent"] = " " * indent
        return reply

    def history(self, content):
        """Of this kernel's life; nothing is kept longer."""
        raw, output = content.get("raw", True), content.get("output", False)
        start, stop = content.get("start", 1), content.get("stop")
        if content.get("hist_access_type") != "range":
            start, stop = max(1, self.shell.execution_count - (content.get("n") or 1000)), None
        found = self.shell.history_manager.get_range(0, start, stop, raw=raw, output=output)
        return {"status": "ok", "history": list(found)}

    def kernel_info(self, content):
        python = sys.version_info
        version = f"{python.major}.{python.minor}.{python.micro}"
        return {
            "status": "ok",
            "protocol_version": "5.3",
            "implementation": "ipython",
            "implementation_version": IPython.__version__,
            "language_info": {
                "name": "python",
                "version": version,
                "mimetype": "text/x-python",
                "codemirror_mode": {"name": "ipython", "version": python.major},
                "pygments_lexer": "ipython3",
                "nbconvert_exporter": "python",
                "file_extension": ".py",
            },
            "banner": f"Python {version}, IPython {IPython.__version__}",
            "help_links": [],
            "supported_features": [],
        }


def no_input(*_, **__):
    raise StdinNotImplementedError("a cell cannot ask for input: nobody is there to answer")


def main():
    global GATE
    GATE = Gateway(GATEWAY)
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    sys.argv = [""]
    builtins.input = no_input
    getpass.getpass = no_input
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    config = Config()
    # Other capsules are copied from this one; a file would be written on for all of them.
    config.HistoryManager.enabled = False
    config.IPKernelApp.tqdm = "a kernel"  # tqdm looks here to know that there are no terminals
    shell = Shell.instance(config=config)
    comm.create_comm = KernelComm
    manager = comm.get_comm_manager()
    shell.comm_manager = manager
    kernel = Kernel(shell)
    loop.add_reader(GATE.socket, kernel.receive)
    GATE.send("ready", "", kernel.kernel_info({}))
    loop.run_forever()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
