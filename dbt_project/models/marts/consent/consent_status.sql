with

decisions as (
    select * from {{ ref('int_consent_decisions') }}
    where valid_before is null
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

final as (
    select
        decisions.subject,
        decisions.channel,
        decisions.contact_point,
        decisions.controller,
        decisions.purpose,
        decisions.country,
        decisions.is_allowed,
        decisions.reason,
        decisions.legal_basis,
        decisions.is_evidence_complete,
        decisions.missing_evidence,
        decisions.decided_by_event_id,
        decisions.valid_from as decided_at,
        decisions.review_due_on,
        settings.as_of
    from decisions
    cross join settings
)

select * from final
