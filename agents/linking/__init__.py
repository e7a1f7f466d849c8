"""Linking an OEM account: from the driver's consent to registrations on the log, or a reason why not."""
