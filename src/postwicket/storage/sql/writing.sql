-- The statements of the committer.  Each call of the driver lets go of Python's lock and must win
-- it back from a busy event loop: so a whole batch is one INSERT, of a row a message, into a view
-- whose triggers know the tables.  Alone it is a transaction of its own, fsync included; an
-- objection of any trigger undoes the whole statement.  (It pays for batches of one or two; from
-- five on, triggers cost about what the calls did.)
-- Views and triggers are temporary: they belong to the code, not to the schema.

-- incoming view --
-- Names the columns of one message with all that comes with it; there is nothing to read in it.
CREATE TEMP VIEW incoming (
  id, account, sender, declared, body_type, smtputf8, ret, envid, size, received, expires,
  message_id, subject, lane, header,
  body_file, body_size, body_data,
  recipient, notify, orcpt, due, was_due, claimed_by,
  key_1, key_2, key_3,
  told_at, told_kind, told_message, told_data,
  charged, minute, ended, messages, recipients, messages_per_day, recipients_per_day,
  loose
) AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

-- incoming trigger --
-- Delivery 1 is born queued; `was_due` is where its claim of birth returns to when given back.
-- The body lies apart, so that bytes can be let go while the message can be asked about.
CREATE TEMP TRIGGER keep INSTEAD OF INSERT ON incoming BEGIN
  INSERT INTO message (id, account, sender, declared, body_type, smtputf8, ret, envid, size,
                       received, expires, message_id, subject, lane, header)
  VALUES (NEW.id, NEW.account, NEW.sender, NEW.declared, NEW.body_type, NEW.smtputf8, NEW.ret,
          NEW.envid, NEW.size, NEW.received, NEW.expires, NEW.message_id, NEW.subject, NEW.lane,
          NEW.header);
  INSERT INTO body (message, file, size, data)
  VALUES (NEW.id, NEW.body_file, NEW.body_size, NEW.body_data);
  INSERT INTO delivery (message, number, recipient, notify, orcpt, state, attempts, due, was_due,
                        claimed_by, warned, route, cause, reply)
  VALUES (NEW.id, 1, NEW.recipient, NEW.notify, NEW.orcpt, 'queued', 0, NEW.due, NEW.was_due,
          NEW.claimed_by, 0, '', '', '');
  INSERT INTO search (key, message) SELECT NEW.key_1, NEW.id WHERE NEW.key_1 IS NOT NULL;
  INSERT INTO search (key, message) SELECT NEW.key_2, NEW.id WHERE NEW.key_2 IS NOT NULL;
  INSERT INTO search (key, message) SELECT NEW.key_3, NEW.id WHERE NEW.key_3 IS NOT NULL;
  INSERT INTO entry (at, kind, message, data)
  VALUES (NEW.told_at, NEW.told_kind, NEW.told_message, NEW.told_data);
END;

-- charge trigger --
-- Moves the account's window when a minute has passed, adds, and then looks: when the day is used
-- up, or another process has charged a later minute, `charging` judges the messages one by one.
CREATE TEMP TRIGGER charge INSTEAD OF INSERT ON incoming WHEN NEW.charged IS NOT NULL BEGIN
  UPDATE usage_total
     SET minute = NEW.minute,
         messages = messages - (SELECT coalesce(sum(gone.messages), 0) FROM usage AS gone
                                 WHERE gone.account = NEW.charged AND gone.minute <= NEW.ended),
         recipients = recipients - (SELECT coalesce(sum(gone.recipients), 0) FROM usage AS gone
                                     WHERE gone.account = NEW.charged AND gone.minute <= NEW.ended)
   WHERE account = NEW.charged AND minute < NEW.minute;
  DELETE FROM usage WHERE account = NEW.charged AND minute <= NEW.ended;
  INSERT INTO usage_total (account, minute, messages, recipients)
  VALUES (NEW.charged, NEW.minute, NEW.messages, NEW.recipients)
      ON CONFLICT (account) DO UPDATE
     SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients;
  SELECT RAISE(ABORT, 'usage') FROM usage_total
   WHERE account = NEW.charged
     AND (minute > NEW.minute OR messages > NEW.messages_per_day
          OR recipients > NEW.recipients_per_day);
  INSERT INTO usage (account, minute, messages, recipients)
  VALUES (NEW.charged, NEW.minute, NEW.messages, NEW.recipients)
      ON CONFLICT (account, minute) DO UPDATE
     SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients;
END;

-- loose trigger --
-- The first row of a batch carries the entries nobody waits for, so that they cost no statement.
CREATE TEMP TRIGGER tell INSTEAD OF INSERT ON incoming WHEN NEW.loose IS NOT NULL BEGIN
  INSERT INTO entry (at, kind, message, data)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(NEW.loose);
END;

-- settled view --
-- Names the columns of one settlement, its attempt and its entry; nothing to read here either.
CREATE TEMP VIEW settled (
  message, number, claimed_by, attempts, state, tried, due, warned, route, cause, reply,
  tried_at, seconds, tried_route, remote, tls, tried_reply, transcript,
  told_at, told_kind, told_message, told_data, final
) AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

-- settled trigger --
-- Fenced: only while the claim is the settler's and no attempt came between.  (The + keeps the
-- planner on the key.)  Bytes go when nothing of the message is open or in the inbox.
CREATE TEMP TRIGGER settle INSTEAD OF INSERT ON settled BEGIN
  UPDATE delivery
     SET state = NEW.state, attempts = attempts + NEW.tried, due = NEW.due, was_due = NULL,
         claimed_by = NULL, warned = max(warned, NEW.warned), route = NEW.route,
         cause = NEW.cause, reply = NEW.reply
   WHERE message = NEW.message AND number = NEW.number AND +claimed_by = NEW.claimed_by
     AND attempts = NEW.attempts;
  SELECT RAISE(ABORT, 'fenced') WHERE changes() = 0;
  INSERT INTO attempt (message, number, count, at, seconds, route, remote, tls, reply, transcript)
  SELECT NEW.message, NEW.number, NEW.attempts + 1, NEW.tried_at, NEW.seconds, NEW.tried_route,
         NEW.remote, NEW.tls, NEW.tried_reply, NEW.transcript
   WHERE NEW.tried;
  INSERT INTO entry (at, kind, message, data)
  VALUES (NEW.told_at, NEW.told_kind, NEW.told_message, NEW.told_data);
  DELETE FROM body
   WHERE NEW.final AND message = NEW.message
     AND NOT EXISTS (SELECT 1 FROM delivery
                      WHERE delivery.message = NEW.message
                        AND state IN ('queued', 'deferred', 'uncertain', 'held', 'captured'));
END;

-- file trigger --
-- Tells the committer of files to delete after the commit; few bodies have one.
CREATE TEMP TRIGGER let_file_go AFTER DELETE ON main.body WHEN OLD.file IS NOT NULL BEGIN
  SELECT file_let_go(OLD.file);
END;

-- add messages --
-- One statement for the whole batch, in the order of the view's columns.
INSERT INTO incoming
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- settle --
-- Likewise.
INSERT INTO settled
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- add deliveries --
-- Those after the first, of messages that have them.
INSERT INTO delivery (message, number, recipient, notify, orcpt, state, attempts, due, was_due,
                      claimed_by, warned, route, cause, reply)
VALUES (?, ?, ?, ?, ?, 'queued', 0, ?, ?, ?, 0, '', '', '');

-- add keys --
-- Those after the third.
INSERT INTO search (key, message) VALUES (?, ?);

-- add entries --
-- The journal is only ever appended to.
INSERT INTO entry (at, kind, message, data) VALUES (?, ?, ?, ?);

-- usage total --
-- The sums are kept, so that a check costs one row however busy the day was.
SELECT minute, messages, recipients FROM usage_total WHERE account = ?;

-- end usage --
-- Minutes that left the window, once a minute and account; what they held is taken off the sum.
DELETE FROM usage WHERE account = ? AND minute <= ? RETURNING messages, recipients;

-- add usage --
-- One row a minute: a day is at most 1441 rows an account.
INSERT INTO usage (account, minute, messages, recipients) VALUES (?, ?, ?, ?)
    ON CONFLICT (account, minute) DO UPDATE
   SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients;

-- set usage total --
-- Under the write lock, so the sum that was read is still the sum.
INSERT OR REPLACE INTO usage_total (account, minute, messages, recipients) VALUES (?, ?, ?, ?);

-- usage minutes --
-- Oldest first: whoever was refused is told when enough of them have left the window.
SELECT minute, messages, recipients FROM usage WHERE account = ? AND minute > ? ORDER BY minute;
