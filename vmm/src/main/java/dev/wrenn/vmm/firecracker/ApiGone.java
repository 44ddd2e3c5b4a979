package dev.wrenn.vmm.firecracker;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** Nobody answers on the API socket any more. */
final class ApiGone extends WrennException {
    private static final long serialVersionUID = 1L;

    ApiGone(String attempt, Throwable cause) {
        super(Kind.UNAVAILABLE, attempt + ": the VMM has gone", cause);
    }
}
