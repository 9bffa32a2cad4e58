with

decisions as (
    select * from {{ ref('int_consent_decisions') }}
),

compared as (
    select
        *,
        lag(reason || ':' || coalesce(decided_by_event_id, '')) over (
            partition by subject, controller, purpose order by valid_from
        ) as decision_before
    from decisions
),

-- A moment at which nothing changed is no change.
changed as (
    select * from compared
    where
        decision_before is null
        or decision_before <> reason || ':' || coalesce(decided_by_event_id, '')
),

final as (
    select
        subject,
        channel,
        contact_point,
        controller,
        purpose,
        country,
        valid_from,
        lead(valid_from) over (partition by subject, controller, purpose order by valid_from)
            as valid_before,
        is_allowed,
        reason,
        legal_basis,
        missing_evidence,
        decided_by_event_id
    from changed
)

select * from final
