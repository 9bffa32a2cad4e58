with

identities as (
    select * from {{ ref('stg_matching__identities') }}
),

contact_points as (
    select * from {{ ref('stg_matching__contact_points') }}
    where channel = 'email'
),

documents as (
    select * from {{ ref('int_documents_summed') }}
),

clues as (
    select
        'email' as clue,
        contact_points.contact_point as value,
        identities.customer_id
    from contact_points
    inner join identities
        on
            contact_points.record_kind = identities.record_kind
            and contact_points.source = identities.source
            and contact_points.record_id = identities.record_id
    union all
    select
        'order_reference' as clue,
        {{ normalised_text('document_number') }} as value,
        customer_id
    from documents
    union all
    select
        'name' as clue,
        {{ normalised_text('record_name') }} as value,
        customer_id
    from identities
),

-- What two customers have in common tells of neither.
final as (
    select
        clue,
        value,
        min(customer_id) as customer_id
    from clues
    where value is not null
    group by clue, value
    having count(distinct customer_id) = 1
)

select * from final
