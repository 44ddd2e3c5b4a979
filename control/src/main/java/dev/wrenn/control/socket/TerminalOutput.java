package dev.wrenn.control.socket;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What a terminal's client is sent, in the form that it takes. The API's contract and the Python
 * SDK before 0.3.0 have bytes as base 64 in JSON; 0.3.0 has binary messages, and neither can read
 * the other's. Nothing in the handshake tells them apart, so it is what they send that does: input
 * in either form, or the answer to a ping, which before 0.3.0 none gave. A browser answers too, and
 * takes JSON; it is known by its Origin.
 *
 * <p>A client that only watches gets JSON. If it turns out to take binary messages, because it
 * looks at its socket later than we waited, it is sent the same once more in that form.
 */
final class TerminalOutput {
    private static final Duration PATIENCE = Duration.ofSeconds(2);
    private static final int GUESSED_LIMIT_BYTES = 64 << 10; // as much as a scrollback

    private final Conversation conversation;
    private final boolean isBrowser;
    private final CompletableFuture<Form> form = new CompletableFuture<>();
    private final CompletableFuture<Form> patience;

    /** Output and other messages take turns; held while sending on purpose. */
    private final ReentrantLock sending = new ReentrantLock();

    private final ByteArrayOutputStream guessed = new ByteArrayOutputStream(); // by the lock

    /** How a client takes a terminal's bytes. */
    enum Form {
        BASE64,
        BINARY
    }

    TerminalOutput(Conversation conversation, boolean isBrowser) {
        this.conversation = conversation;
        this.isBrowser = isBrowser;
        if (isBrowser) {
            form.complete(Form.BASE64);
        }
        this.patience =
                form.copy()
                        .completeOnTimeout(Form.BASE64, PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Sends what the terminal shows. */
    void show(byte[] bytes) {
        var _ = patience.join();
        sending.lock();
        try {
            switch (form.getNow(Form.BASE64)) {
                case BINARY -> conversation.send(bytes);
                case BASE64 -> {
                    conversation.send(
                            Sockets.message("output")
                                    .put("data", Base64.getEncoder().encodeToString(bytes)));
                    if (!form.isDone() && guessed.size() + bytes.length <= GUESSED_LIMIT_BYTES) {
                        guessed.writeBytes(bytes);
                    }
                }
            }
        } finally {
            sending.unlock();
        }
    }

    /** Sends anything else. */
    void send(ObjectNode message) {
        sending.lock();
        try {
            conversation.send(message);
        } finally {
            sending.unlock();
        }
    }

    /** Asks a client for a sign of what it is. */
    void ask() {
        if (!form.isDone()) {
            send(Sockets.message("ping"));
        }
    }

    /** The client has answered a ping. */
    void answered() {
        if (!isBrowser) {
            takes(Form.BINARY);
        }
    }

    /** The client has shown in which form it takes bytes; only the first time counts. */
    void takes(Form shown) {
        if (form.isDone()) {
            return;
        }
        sending.lock(); // what was guessed comes before what follows
        try {
            form.complete(shown);
            if (shown == Form.BINARY && guessed.size() > 0) {
                conversation.send(guessed.toByteArray());
            }
            guessed.reset();
        } finally {
            sending.unlock();
        }
    }
}
