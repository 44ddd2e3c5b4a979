/** Client of the guest agent: Connect RPC and files over HTTP. */
@NullMarked
package dev.wrenn.host.guest;

import org.jspecify.annotations.NullMarked;
