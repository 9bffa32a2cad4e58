with

decisions as (
    select * from {{ ref('int_consent_decisions') }}
    where valid_before is null and is_allowed
),

scopes as (
    select * from {{ ref('int_consent_scopes') }}
    where is_advertising and is_valid and contact_point is not null
),

permissions as (
    select * from {{ ref('int_customer_permissions') }}
),

owners as (
    select
        subject,
        count(distinct customer_id) as customer_count,
        min(customer_id) as customer_id
    from permissions
    group by subject
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

final as (
    select
        decisions.channel,
        decisions.contact_point,
        decisions.purpose,
        decisions.controller,
        decisions.country,
        decisions.legal_basis,
        decisions.reason,
        decisions.decided_by_event_id,
        decisions.valid_from as decided_at,
        decisions.review_due_on,
        case when owners.customer_count = 1 then owners.customer_id end as customer_id,
        coalesce(owners.customer_count, 0) as customer_count,
        settings.as_of
    from decisions
    inner join scopes
        on
            decisions.subject = scopes.subject
            and decisions.controller = scopes.controller
            and decisions.purpose = scopes.purpose
    left join owners on decisions.subject = owners.subject
    cross join settings
)

select * from final
