with

complaints as (
    select * from {{ ref('int_complaints_unioned') }}
),

clues as (
    select * from {{ ref('int_customer_clues_unioned') }}
),

identities as (
    select * from {{ ref('stg_matching__identities') }}
),

numbered as (
    select
        {{ normalised_text('organisations.customer_number') }} as customer_number,
        identities.customer_id
    from {{ ref('int_organisations_unioned') }} as organisations
    inner join identities
        on
            organisations.source = identities.source
            and organisations.record_id = identities.record_id
            and identities.record_kind = 'organisation'
),

-- A number that two customers have tells of neither.
numbers as (
    select
        customer_number,
        min(customer_id) as customer_id
    from numbered
    group by customer_number
    having count(distinct customer_id) = 1
),

final as (
    select
        complaints.*,
        coalesce(
            numbers.customer_id,
            organisations.customer_id,
            persons.customer_id,
            by_order.customer_id,
            by_email.customer_id
        ) as customer_id,
        case
            when numbers.customer_id is not null then 'customer_number'
            when organisations.customer_id is not null then 'organisation_record'
            when persons.customer_id is not null then 'contact_record'
            when by_order.customer_id is not null then 'order_reference'
            when by_email.customer_id is not null then 'email'
        end as linked_by
    from complaints
    left join numbers
        on {{ normalised_text('complaints.customer_number') }} = numbers.customer_number
    left join identities as organisations
        on
            complaints.source = organisations.source
            and complaints.organisation_record_id = organisations.record_id
            and organisations.record_kind = 'organisation'
    left join identities as persons
        on
            complaints.source = persons.source
            and complaints.contact_record_id = persons.record_id
            and persons.record_kind = 'person'
    left join clues as by_order
        on
            {{ normalised_text('complaints.order_reference') }} = by_order.value
            and by_order.clue = 'order_reference'
    left join clues as by_email
        on
            {{ normalised_text('complaints.email') }} = by_email.value
            and by_email.clue = 'email'
)

select * from final
