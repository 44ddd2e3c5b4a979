package dev.wrenn.host.guest;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jspecify.annotations.Nullable;

/** The guest agent refused a call or does not answer. */
public final class GuestFailure extends WrennException {
    private static final long serialVersionUID = 1L;

    private final boolean isTimeout;

    GuestFailure(Kind kind, String shownMessage) {
        this(kind, shownMessage, null);
    }

    GuestFailure(Kind kind, String shownMessage, @Nullable Throwable cause) {
        this(kind, shownMessage, cause, false);
    }

    private GuestFailure(
            Kind kind, String shownMessage, @Nullable Throwable cause, boolean isTimeout) {
        super(kind, shownMessage, cause);
        this.isTimeout = isTimeout;
    }

    /** Whether the agent ended the call because the limit given with it had passed. */
    boolean isTimeout() {
        return isTimeout;
    }

    /** The failure behind a Connect error code (Connect protocol, "Error codes"). */
    static GuestFailure ofConnectCode(String code, String message) {
        var kind =
                switch (code) {
                    case "invalid_argument",
                            "out_of_range",
                            "failed_precondition",
                            "unimplemented" ->
                            Kind.INVALID;
                    case "not_found" -> Kind.ABSENT;
                    case "already_exists", "aborted" -> Kind.CONFLICT;
                    case "resource_exhausted", "data_loss" -> Kind.EXHAUSTED;
                    case "permission_denied" -> Kind.INVALID;
                    default -> Kind.UNAVAILABLE;
                };
        return new GuestFailure(kind, shown(message), null, code.equals("deadline_exceeded"));
    }

    /** The failure behind a status of the guest's plain HTTP routes. */
    static GuestFailure ofHttpStatus(int status, String message) {
        var kind =
                switch (status) {
                    case 400, 403, 406, 413, 416 -> Kind.INVALID;
                    case 404 -> Kind.ABSENT;
                    case 409 -> Kind.CONFLICT;
                    case 507 -> Kind.EXHAUSTED;
                    default -> Kind.UNAVAILABLE;
                };
        return new GuestFailure(kind, shown(message));
    }

    /** A guest is not trusted to keep its messages short or printable. */
    private static String shown(String message) {
        var text = message.codePoints().filter(c -> !Character.isISOControl(c)).limit(300);
        var shown =
                text.collect(
                                StringBuilder::new,
                                StringBuilder::appendCodePoint,
                                StringBuilder::append)
                        .toString();
        return shown.isBlank() ? "the guest refused the call" : shown;
    }
}
