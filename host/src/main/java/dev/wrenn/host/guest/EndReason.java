package dev.wrenn.host.guest;

import dev.wrenn.base.WrennException;
import java.util.Optional;

/** Says why a session was ended from our side, if it was. */
interface EndReason {
    Optional<WrennException> failure();
}
