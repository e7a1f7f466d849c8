"""The Firestore bridge: drivers' statuses out to Firestore; registrations and preferences that apps write there in."""
