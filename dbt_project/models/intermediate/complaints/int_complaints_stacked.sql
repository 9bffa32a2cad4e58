with

hubspot as (
    select
        tickets.*,
        related.company_id,
        related.contact_id,
        coalesce(tickets.customer_email, contacts.email) as email
    from {{ ref('stg_hubspot__tickets') }} as tickets
    left join {{ ref('int_hubspot_associations_pivoted') }} as related
        on tickets.ticket_id = related.record_id and related.record_type = 'tickets'
    left join {{ ref('stg_hubspot__contacts') }} as contacts
        on related.contact_id = contacts.contact_id
),

ticket_list as (
    select * from {{ ref('stg_ticket_list__tickets') }}
),

stages as (
    select * from {{ ref('complaint_stages') }}
    where source = 'hubspot'
),

-- Where nobody said what a stage means, the day of closing decides.
final as (
    select
        'hubspot' as source,
        hubspot.ticket_id as complaint_id,
        hubspot.customer_number,
        hubspot.email,
        hubspot.company_id as organisation_record_id,
        hubspot.contact_id as contact_record_id,
        hubspot.subject,
        hubspot.body as text,
        hubspot.category,
        hubspot.priority,
        hubspot.demand,
        hubspot.created_at as opened_at,
        hubspot.closed_at,
        coalesce(stages.is_open, hubspot.closed_at is null) as is_open,
        hubspot.satisfaction,
        hubspot.order_number as order_reference
    from hubspot
    left join stages on hubspot.pipeline = stages.pipeline and hubspot.stage = stages.stage
    union all
    select
        'ticket_list' as source,
        ticket_id as complaint_id,
        customer_number,
        email,
        null as organisation_record_id,
        null as contact_record_id,
        subject,
        text,
        category,
        priority,
        demand,
        opened_at,
        closed_at,
        closed_at is null as is_open,
        satisfaction,
        order_reference
    from ticket_list
)

select * from final
